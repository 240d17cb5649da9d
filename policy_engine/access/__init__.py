"""Who asks, and what they may do: tokens, OIDC, roles."""
