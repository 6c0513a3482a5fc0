"""The gateway's gRPC face: expertmesh.inference.v1.InferenceService over grpc.aio."""
