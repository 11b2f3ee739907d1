"""What the integration tests stand on: test users, private httpds, clients that see every byte, a witness in /proc."""
