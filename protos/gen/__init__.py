"""What protoc makes of the .proto files: nothing here is written by hand."""
