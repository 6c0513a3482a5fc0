"""The contract between processes: the error tree now, the .proto files and their generated code with the mesh."""
