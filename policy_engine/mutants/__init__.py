"""Rules changed on purpose: which of the changes no case notices."""
