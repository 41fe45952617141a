"""The collections: Chroma into pgvector. Both are compared chunk by chunk, so a pass writes only what differs."""
