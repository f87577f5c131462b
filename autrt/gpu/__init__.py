"""Pictures that stay on a GPU: decoding by NVDEC, faces cut out and aligned there. Needs torch and DALI."""
