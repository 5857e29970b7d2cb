"""Text to video: prompt -> text embeddings -> latents -> frames, one family of models per file."""
