"""Apache Airflow 3 on Kubernetes, one process a Deployment, without a Helm chart in between."""
