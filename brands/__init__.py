"""The registry: brands, their references and pictures, API keys, and the audit log of every change."""
