sluice_e2e(deploy deploy_load deploy_private qualifiers)
