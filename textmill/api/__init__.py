"""The functions of `import textmill`, a module for each kind of thing that they open."""
