"""Values, errors, images, plug-ins, settings and processes: what every other room stands on."""
