"""python -m pinwatch"""

from pinwatch.cli import main

main()
