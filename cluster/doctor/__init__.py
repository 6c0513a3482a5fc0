"""What `expertmesh doctor` looks at, and how it tells. Works with any extra, and without a model."""
