"""The only room where the others meet: settings, wiring, the worker, the command line, transports, images."""
