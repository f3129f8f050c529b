"""Checks of a Beam job service before a job is submitted.

The service is asked for its options, with a timeout. That tells Flink's from another engine's, and a job service from
anything else that listens. No call of the job API returns its version: whether it accepts the jobs of this Beam is
found out by the preflight check, a small job of the same kinds of steps (`textmill.pipelines.engines.preflight`).
"""

import contextlib
import socket

ANSWER_WITHIN = 5       # seconds; a service on another continent needs one


def answers(address: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), timeout=3):
        return True
    return False


def service_problem(address: str, runner: str) -> str | None:
    """Why no job of `runner` can be sent to host:port, one sentence with its cure; None where no problem was found."""
    if not answers(address):
        return f"nothing answers at {address} (--job-endpoint); start {_start(runner)}, or correct the address"
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        try:
            told = beam_job_api_pb2_grpc.JobServiceStub(channel).DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=ANSWER_WITHIN)
        except grpc.RpcError as error:
            return (f"what answers at {address} (--job-endpoint) is no Beam job service ({error.code().name}); "
                    f"start {_start(runner)}, or correct the address")
    if runner == "flink" and not any(option.name.startswith("flink") for option in told.options):
        return (f"the job service at {address} (--job-endpoint) is not Flink's; "
                "give the address of Flink's, or another --runner")
    return None


def _start(runner: str) -> str:
    if runner == "flink":
        return "Beam's job server for Flink (`make cluster` does on this machine)"
    return "Prism (`make prism` builds .venv/bin/prism)" if runner == "prism" else "it"
