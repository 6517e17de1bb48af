"""What the Space shows: a store's records as pages. Only the tabs know Gradio; all else is plain Python."""
