"""The program that Pulumi runs: read the stack's settings, build the platform, export what people need next."""

import pulumi
from pulumi.runtime import config as runtime_config

from infra import settings as stack_settings
from infra.platform import Platform


def main() -> None:
    """Register the stack's resources.

    Raises pulumi.RunError, with a sentence for each mistake in the stack file, before anything is registered.
    """
    config = {**(runtime_config.get_config_env() or {}), **runtime_config.CONFIG.get()}
    secret_keys = frozenset(key for key in config if runtime_config.is_config_secret(key))
    stack = pulumi.get_stack()
    try:
        settings = stack_settings.load(stack, config, secret_keys)
    except stack_settings.InvalidSettingsError as error:
        raise pulumi.RunError(str(error)) from None
    platform = Platform("platform", settings, secrets=pulumi.Config())
    for name, value in platform.outputs.items():
        pulumi.export(name, value)
