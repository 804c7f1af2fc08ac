#!/bin/bash
# Explains all pictures of a folder on eight nodes: sbatch slurm-array.sh ~/photos ~/maps
# Each task takes its eighth of the folder; a task that was requeued or ran out of time goes on where it was.
#SBATCH --job-name=atrous-cam
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

photos=$1
maps=$2

exec npx --yes atrous-cam@0.1.0 explain "$photos" --recursive \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --resume \
  --out "$maps" --summary "$maps/summary-$SLURM_ARRAY_TASK_ID.csv" \
  --mode atrous --output-stride 4 --threads "$SLURM_CPUS_PER_TASK"
