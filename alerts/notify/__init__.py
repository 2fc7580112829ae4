"""Telling people who do not look at the screen: webhook, e-mail and Apprise behind one port, with retries."""
