"""Two carriers that serve fifteen CAMARA files with real state, real tokens, and misbehaviour on command."""
