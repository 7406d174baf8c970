"""The embedded one-machine Kubernetes: its processes, configuration and what it leaves when it goes: nothing."""
