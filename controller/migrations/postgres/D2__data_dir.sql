DROP TABLE data_dir;
