"""What the containers of deploy/compose.yaml run beside the application."""
