"""The migration: what waits for it, and what becomes of one that failed."""

from infra import offline
from infra.render import objects


def test_the_next_tasks_get_a_new_image_only_when_the_database_is_migrated() -> None:
    layers = objects(offline.evaluate("local"))
    layer = {(obj["kind"], obj["metadata"]["name"]): rank for rank, found in enumerate(layers) for obj in found}
    (migration,) = (rank for (kind, _), rank in layer.items() if kind == "Job")
    assert migration < layer["ConfigMap", "airflow-pod-template"] < layer["Deployment", "airflow-scheduler"]


def test_the_job_of_before_is_deleted_first_so_that_going_back_finds_its_name_free() -> None:
    (job,) = offline.evaluate("local").of_type("kubernetes:batch/v1:Job")
    assert job.delete_before_replace
