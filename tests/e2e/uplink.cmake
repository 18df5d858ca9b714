sluice_e2e(uplink uplink_down)
