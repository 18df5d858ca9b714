# How messages get to functions: order, ...; after gateway.cmake, which has sluice_e2e.
sluice_e2e(ordered)
