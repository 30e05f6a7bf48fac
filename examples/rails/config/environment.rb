# Stands in for Rails, whose own file of this name loads the same files.
require "active_record"
require "erb"
require "yaml"

root = File.expand_path("..", __dir__)
settings = YAML.safe_load(ERB.new(File.read("#{root}/config/database.yml")).result)
Dir["#{root}/{config/initializers,app/models,app/jobs}/*.rb"].sort.each { |file| require file }
ActiveRecord::Base.establish_connection(settings["production"])
