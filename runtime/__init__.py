"""Running exported models: the native session and what is built on it. Needs neither torch nor a GPU."""
