"""expertmesh-demo, made: data, tokenizer, training, export and scores of a very small true gpt-oss."""
