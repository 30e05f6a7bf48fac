# Runs its arguments in turn: migrate, place, invoice, or invoice_in_turn, which pins.
require_relative "config/environment"

ARGV.each do |command|
  case command
  when "migrate"
    ActiveRecord::Migrator.migrations_paths = [File.expand_path("db/migrate", __dir__)]
    ActiveRecord::Tasks::DatabaseTasks.migrate
  when "place" then Order.create!(total: 3)
  when "invoice" then InvoiceJob.new.perform
  when "invoice_in_turn" then InvoiceJob.new.perform_in_turn
  else abort "There is no command #{command}."
  end
end
