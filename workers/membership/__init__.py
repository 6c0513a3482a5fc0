"""How workers and the controller know of each other: announcements up, the topology down."""
