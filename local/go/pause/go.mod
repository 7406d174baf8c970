module airflow-platform/pause

go 1.24.0
