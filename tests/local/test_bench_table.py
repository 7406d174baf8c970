"""What `make bench` measures and prints, without measuring."""

from infra import offline
from local import bench
from local.bench import Comparison


def test_a_row_has_both_times_and_their_ratio() -> None:
    row = Comparison("evaluate dev", 3.0, "import 273 SDK modules", 2.0).row()
    assert row.split() == ["evaluate", "dev", "3.00", "s", "import", "273", "SDK", "modules", "2.00", "s", "1.50"]


def test_the_table_says_how_busy_the_machine_was() -> None:
    said = bench.table([Comparison("a", 1, "b", 1)], loads=(0.5, 2.25), processors=2)
    assert "Load of the machine: 0.5 before, 2.2 after, on 2 processors." in said


def test_the_modules_to_import_are_the_sdks_and_nothing_of_ours() -> None:
    modules = bench.sdk_modules("local")
    assert "pulumi_kubernetes.apps.v1" in modules
    assert {name.partition(".")[0] for name in modules} <= {
        "pulumi",
        "pulumi_kubernetes",
        "pulumi_random",
        "pulumi_tls",
    }


def test_the_bare_pod_is_of_the_same_image_and_size_as_a_task() -> None:
    pod = bench.bare_pod("x", bench.task_resources())["spec"]["containers"][0]
    (template,) = (
        each.inputs["data"]["pod_template.yaml"]
        for each in offline.evaluate("local").registrations
        if each.name.endswith("pod-template")
    )
    assert f"image: {pod['image']}\n" in template
    assert pod["resources"]["requests"]["memory"] in template
