#!/usr/bin/env bash
# Draw the images of a profile on a Ray cluster inside one Slurm allocation, a GPU for each task:
#
#   sbatch --nodes=4 slurm/ray.sh paper
#
# from the repository's folder, after `make setup` (the lock brings Ray). Submit it again if it was killed: it makes what
# is missing. Every node must see this folder.
#SBATCH --job-name=d3s-ray
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-task=4
#SBATCH --cpus-per-task=16
#SBATCH --mem=96G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=slurm-%x-%A.log
set -euo pipefail

profile=${1:?give a profile: sbatch --nodes=4 slurm/ray.sh paper}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))           # two jobs on one node must not meet
export RAY_TMPDIR=${TMPDIR:-/tmp}/ray-$SLURM_JOB_ID # nor two users
export RAY_ADDRESS=$head:$port

srun .venv/bin/ray symmetric-run --address "$RAY_ADDRESS" --min-nodes "$SLURM_NNODES" -- \
  .venv/bin/python -m d3s_utils generate --profile "$profile" --set "dataset.engine=ray ${2:-}"
