"""No-op tasks per second through other job systems of this machine, beside `build/bench broker`.

usage: peers.py [TASKS [WORKERS]]

Each system runs as its users run it by default, and once as durably as it can be made: what is said to be done
is on disk. One that is not installed is skipped with a word.

    beanstalkd   put, reserve, delete of each job over one connection per worker; binlog with -f0 (fsync each) or off
    Celery       Redis as broker and result store; appendfsync always or off; prefork workers
    Dask         distributed, one process per worker; it has no durable mode
"""
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TASKS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
WORKERS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
START_S = 30


def say(system, how, tasks, seconds):
    print("%-11s %-32s %8.0f tasks/s  (%d tasks, %d workers)" % (system, how, tasks / seconds, tasks, WORKERS), flush=True)


def skip(system, why):
    print("%-11s skipped: %s" % (system, why), flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(port, *command, **options):
    """A server on a port of this machine; ended, whatever happens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        end = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > end or process.poll() is not None:
                    raise RuntimeError("%s does not start" % command[0])
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


# ---- beanstalkd ----

class Beanstalk:
    def __init__(self, port):
        self.file = socket.create_connection(("127.0.0.1", port)).makefile("rwb", 0)

    def ask(self, line, *, body=False):
        self.file.write(line + b"\r\n")
        words = self.file.readline().split()
        if body:
            self.file.read(int(words[-1]) + 2)
        return words


def beanstalk_worker(port, n):
    queue = Beanstalk(port)
    for _ in range(n):
        job = queue.ask(b"reserve", body=True)[1]
        queue.ask(b"delete " + job)


def beanstalkd():
    program = shutil.which("beanstalkd")
    if not program:
        skip("beanstalkd", "not installed (Debian: beanstalkd)")
        return
    for how, options in [("in memory", []), ("binlog, fsync of each job (-f0)", ["-f0"])]:
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            binlog = ["-b", folder] + options if options else []
            with server(port, program, "-l", "127.0.0.1", "-p", str(port), *binlog):
                begin = time.monotonic()
                workers = []
                for _ in range(WORKERS):
                    child = os.fork()
                    if child == 0:
                        beanstalk_worker(port, TASKS // WORKERS)
                        os._exit(0)
                    workers.append(child)
                queue = Beanstalk(port)
                for _ in range(TASKS // WORKERS * WORKERS):
                    queue.ask(b"put 0 0 60 4\r\nnoop")
                for child in workers:
                    os.waitpid(child, 0)
                say("beanstalkd", how, TASKS // WORKERS * WORKERS, time.monotonic() - begin)


# ---- Celery over Redis ----

CELERY_APP = """
from celery import Celery
app = Celery("noop", broker="redis://127.0.0.1:%d/0", backend="redis://127.0.0.1:%d/1")
app.conf.worker_prefetch_multiplier = 64
@app.task
def noop(i):
    return i
"""


def celery():
    program = shutil.which("redis-server")
    try:
        import celery as library  # noqa: F401
        import redis  # noqa: F401
    except ImportError:
        program = None
    if not program:
        skip("Celery", "not installed (Debian: python3-celery python3-redis redis-server)")
        return
    for how, durable in [("Redis in memory", "no"), ("Redis, fsync of each write (always)", "yes")]:
        with tempfile.TemporaryDirectory() as folder:
            port = free_port()
            redis_server = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                            "--appendonly", durable, "--appendfsync", "always"]
            with server(port, *redis_server):
                celery_run(folder, port, how)


def celery_run(folder, port, how):
    with open(os.path.join(folder, "noop_app.py"), "w") as file:
        file.write(CELERY_APP % (port, port))
    environment = dict(os.environ, PYTHONPATH=folder, C_FORCE_ROOT="1")
    worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "noop_app", "worker", "-c", str(WORKERS), "-l", "ERROR"],
                              env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = subprocess.run([sys.executable, "-c", """
import sys, time
from noop_app import noop
noop.delay(0).get(timeout=60)
begin = time.monotonic()
results = [noop.delay(i) for i in range(int(sys.argv[1]))]
for result in results:
    result.get(timeout=120)
print(time.monotonic() - begin)
""", str(TASKS)], env=environment, cwd=folder, capture_output=True, text=True, timeout=600)
        if client.returncode:
            skip("Celery", "its client failed: " + client.stderr.strip().splitlines()[-1])
        else:
            say("Celery", how, TASKS, float(client.stdout))
    finally:
        worker.terminate()
        worker.wait()


# ---- Dask ----

def noop(i):
    return i


def dask():
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        skip("Dask", "not installed (Debian: python3-distributed)")
        return
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None,
                      silence_logs="ERROR") as cluster, Client(cluster) as client:
        client.gather(client.map(noop, range(-10, 0), pure=False))
        begin = time.monotonic()
        client.gather(client.map(noop, range(TASKS), pure=False))
        say("Dask", "in memory", TASKS, time.monotonic() - begin)


if __name__ == "__main__":
    for peer in (beanstalkd, celery, dask):
        try:
            peer()
        except Exception as problem:  # one that does not work here says so; the others go on
            skip(peer.__name__, problem)
