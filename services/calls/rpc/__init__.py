"""Remote procedures: protos to domain and back."""
