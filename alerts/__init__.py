"""From vitals and findings to a nurse's attention: rules, persistence, episodes, silence of the stream."""
