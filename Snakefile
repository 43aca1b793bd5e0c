"""The pipeline: train every run of the chosen suites that is not there yet, aggregate and draw each suite, render the report.

snakemake --cores all
snakemake --cores all --config suites='[quick, lbf-baselines]' device=cuda retrain=true pdf=true
"""

import shlex
import sys

from snakemake.utils import min_version

from benchmark.workflow.pipeline import Pipeline

min_version("9.10")

PIPELINE = Pipeline(config)
PROGRESS = PIPELINE.training_progress()
PYTHON = f"{shlex.quote(sys.executable)} -m"
CREDITBENCH = f"{PYTHON} benchmark.cli"
REPORT = f"{CREDITBENCH} report {PIPELINE.report_arguments}"


wildcard_constraints:
    run=r"[^/]+-[0-9a-f]{12}",
    family=r"[^/]+",
    suite=r"[^/]+",


localrules:
    all,
    kernels,
    suites,
    suite,
    evidence,
    report,


onstart:
    PIPELINE.claim_folder(submits=not workflow.local_exec)
    PROGRESS.start()


# A run that crashed has no record, so the rules below cannot be run: the report is made of what there is.
onerror:
    PROGRESS.stop()
    shell(f"{CREDITBENCH} aggregate {PIPELINE.aggregate_arguments} && {REPORT}")


onsuccess:
    PROGRESS.stop()
    print("The report: reports/index.html")


ruleorder: suites > suite


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
    message:
        "compile the simulators of {wildcards.family} (once a machine)"
    shell:
        "{params.creditbench} compile {params.tasks} > {log:q} 2>&1"


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
        name=lambda wildcards: PIPELINE.job(wildcards.task, wildcards.run).description,
        device=PIPELINE.config.device,
    message:
        "train {params.name}"
    shell:
        "{params.python} benchmark.workflow.supervisor checkpoints/{wildcards.task}/{wildcards.run} -- "
        "{params.creditbench} train {params.run} --expect {wildcards.run} --device {params.device} > {log:q} 2>&1"


# What needs no training: aggregated and drawn in one job, whose processes share what takes longest for a small suite, the
# importing of libraries. Each suite is made again only if one of its records has changed (see Pipeline.stale_suites).
rule suites:
    input:
        records=[ancient(record) for record in PIPELINE.records(*PIPELINE.ready)],
        stale=PIPELINE.stale_suites(*PIPELINE.ready),
    output:
        expand("results/suites/{suite}/prepared.sha256", suite=PIPELINE.ready),
    log:
        "logs/suites.log",
    priority: 3
    threads: min(len(PIPELINE.ready), workflow.resource_settings.cores or 1)
    params:
        creditbench=CREDITBENCH,
        arguments=PIPELINE.prepare_arguments(PIPELINE.ready),
    message:
        "aggregate and draw the suites whose runs are all there"
    shell:
        "{params.creditbench} prepare {params.arguments} --processes {threads} 2>&1 | tee {log:q}"


rule suite:
    input:
        records=lambda wildcards: [
            ancient(record) for record in PIPELINE.records(wildcards.suite)
        ],
        stale=lambda wildcards: PIPELINE.stale_suites(wildcards.suite),
    output:
        "results/suites/{suite}/prepared.sha256",
    log:
        "logs/suites/{suite}.log",
    priority: 1
    params:
        creditbench=CREDITBENCH,
        runs=lambda wildcards: len(PIPELINE.records(wildcards.suite)),
        arguments=lambda wildcards: PIPELINE.prepare_arguments([wildcards.suite]),
    message:
        "aggregate and draw the suite {wildcards.suite} ({params.runs} runs)"
    shell:
        "{params.creditbench} prepare {params.arguments} > {log:q} 2>&1"


# Where something has to be trained first, what is there already can be read meanwhile; the rest is shown as missing.
rule evidence:
    input:
        expand("results/suites/{suite}/prepared.sha256", suite=PIPELINE.ready),
    output:
        temp(touch("results/aggregate/.evidence")),
    log:
        "logs/evidence.log",
    priority: 2
    params:
        aggregate=f"{CREDITBENCH} aggregate {PIPELINE.aggregate_arguments}",
        report=REPORT,
    message:
        "render what is committed: reports/index.html can be read while the rest is trained"
    shell:
        "({params.aggregate} && {params.report}) > {log:q} 2>&1"


rule report:
    input:
        expand("results/suites/{suite}/prepared.sha256", suite=PIPELINE.suites),
        evidence=PIPELINE.evidence_first,
        stale=PIPELINE.stale_report(),
    output:
        update("reports/index.html"),  # an older report stays until the new one is whole
    log:
        "logs/report.log",
    params:
        aggregate=f"{CREDITBENCH} aggregate {PIPELINE.aggregate_arguments}",
        report=REPORT,
    message:
        "render the report"
    shell:
        "({params.aggregate} && {params.report}) > {log:q} 2>&1"
