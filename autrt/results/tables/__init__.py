"""Tables of results outside HDF5: CSV, Parquet, OpenFace and pandas."""
