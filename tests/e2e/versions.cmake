sluice_e2e(deploy qualifiers)
