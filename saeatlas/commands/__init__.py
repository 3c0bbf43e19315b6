"""The commands of `saeatlas`: options, one library call, print. A module a group."""
