//! Conversations with open ports.
