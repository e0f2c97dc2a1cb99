//! The composition of a controller that is alone on its machine: the one place that names concrete adapters.
