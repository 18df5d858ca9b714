/* A shared object that is no function at all. */
int sluice_test_no_function(void);
int sluice_test_no_function(void)
{
    return 0;
}
