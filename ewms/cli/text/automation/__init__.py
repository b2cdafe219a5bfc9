"""Tasks on hosts as text: the catalogue, inventories, jobs, trees and schedules."""
