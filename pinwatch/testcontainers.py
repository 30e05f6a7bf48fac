"""pinwatch in a container, in the style of testcontainers' own modules."""

from pinwatch.testing.container import PinwatchContainer as PinwatchContainer
