"""The first DAG to run: one task greets and hands its greeting on, the next one reads it."""

from airflow.sdk import dag, task


@dag(schedule=None, tags=["example"])
def hello() -> None:
    """Two tasks, each in a pod of its own under the KubernetesExecutor; what they hand on goes through XCom."""

    @task
    def greet(name: str = "world") -> str:
        greeting = f"Hello, {name}!"
        print(greeting)
        return greeting

    @task
    def count(greeting: str) -> int:
        letters = sum(character.isalpha() for character in greeting)
        print(f"{greeting!r} has {letters} letters.")
        return letters

    count(greet())


hello()
