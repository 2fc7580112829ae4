"""The ward's screen: an API, a live feed and a page that needs nothing but a browser."""
