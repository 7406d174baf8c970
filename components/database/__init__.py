"""The metadata database of Airflow, by one of several engines that its clients can't tell apart."""
