//! Conversations with open ports: bytes in, bytes out. Never opens a socket.
