"""What a mesh will be on given hardware, before anything is started: shards, memory, time, wire. No torch."""
