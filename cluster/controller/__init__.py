"""The controller: knows who is there, decides who hosts what, and says so. Never on the token path."""
