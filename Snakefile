"""The pipeline: train every run of the chosen suites that is not there yet, aggregate, render the report.

snakemake --cores all
snakemake --cores all --config suites='[quick, lbf-baselines]' device=cuda retrain=true
"""

import shlex
import sys

from snakemake.utils import min_version

from benchmark.workflow.pipeline import Pipeline

min_version("9.10")

PIPELINE = Pipeline(config)
PYTHON = f"{shlex.quote(sys.executable)} -m"
CREDITBENCH = f"{PYTHON} benchmark.cli"


wildcard_constraints:
    run=r"[^/]+-[0-9a-f]{12}",
    family=r"[^/]+",


localrules:
    all,
    kernels,
    aggregate,
    report,


onstart:
    PIPELINE.claim_folder()


# A run that crashed has no record, so the rules below cannot be run: the report is made of what there is.
onerror:
    shell(
        f"{CREDITBENCH} aggregate {PIPELINE.report_arguments} && {CREDITBENCH} report"
    )


onsuccess:
    print("The report: reports/index.html")


rule all:
    input:
        "reports/index.html",


rule kernels:
    output:
        touch("checkpoints/.kernels/{family}"),
    log:
        "logs/kernels/{family}.log",
    params:
        creditbench=CREDITBENCH,
        tasks=lambda wildcards: " ".join(PIPELINE.families[wildcards.family]),
    shell:
        "{params.creditbench} compile {params.tasks} > {log} 2>&1"


rule train:
    input:
        kernels=lambda wildcards: [
            ancient(marker)
            for marker in PIPELINE.kernels(wildcards.task, wildcards.run)
        ],
    output:
        "results/runs/{task}/{run}/record.json",
    log:
        "logs/{task}/{run}.log",
    threads: lambda wildcards: PIPELINE.job(wildcards.task, wildcards.run).threads
    resources:
        gpu=PIPELINE.gpus,
    params:
        python=PYTHON,
        creditbench=CREDITBENCH,
        run=lambda wildcards: PIPELINE.job(wildcards.task, wildcards.run).arguments,
        device=PIPELINE.config.device,
    shell:
        "{params.python} benchmark.workflow.supervisor checkpoints/{wildcards.task}/{wildcards.run} -- "
        "{params.creditbench} train {params.run} --expect {wildcards.run} --device {params.device} > {log} 2>&1"


rule aggregate:
    input:
        PIPELINE.records,
    output:
        "results/aggregate/aggregate.json",
        "results/aggregate/manifest.json",
    log:
        "logs/aggregate.log",
    params:
        creditbench=CREDITBENCH,
        suites=PIPELINE.report_arguments,
    shell:
        "{params.creditbench} aggregate {params.suites} > {log} 2>&1"


rule report:
    input:
        "results/aggregate/aggregate.json",
    output:
        "reports/index.html",
    log:
        "logs/report.log",
    params:
        creditbench=CREDITBENCH,
    shell:
        "{params.creditbench} report > {log} 2>&1"
