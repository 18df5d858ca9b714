sluice_e2e(uplink)
